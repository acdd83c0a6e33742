#!/bin/bash
# 2x3090, no NVLink
source ~/venvs/vllm/bin/activate
export NCCL_P2P_DISABLE=1
export VLLM_WORKER_MULTIPROC_METHOD=spawn
CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen2.5-32B-Instruct-AWQ \
    --host 0.0.0.0 --port 8000 --api-key sk-local-123 \
    --served-model-name qwen2.5-32b gpt-4o \
    --quantization awq_marlin \
    --tensor-parallel-size 2 --disable-custom-all-reduce \
    --max-model-len 65536 --max-num-seqs 8 \
    --hf-overrides '{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}' \
    --gpu-memory-utilization 0.95 --swap-space 16 \
    --enable-auto-tool-choice --tool-call-parser hermes \
    --disable-log-requests > vllm.log 2>&1
