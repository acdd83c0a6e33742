docker run -d --name vllm --runtime nvidia --gpus all --ipc=host -p 8000:8000 \
  -v ~/.cache/huggingface:/root/.cache/huggingface \
  -e HUGGING_FACE_HUB_TOKEN=hf_abcdef -e NCCL_P2P_DISABLE=1 \
  vllm/vllm-openai:v0.33.0 \
  --model Qwen/Qwen3-30B-A3B-GPTQ-Int4 -tp 2 --max-model-len 32k \
  --reasoning-parser qwen3 --enable-prefix-caching -O3 \
  --speculative-config '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4, "prompt_lookup_min": 2}' \
  --default-chat-template-kwargs '{"enable_thinking": false}' \
  --override-generation-config '{"temperature": 0.7, "top_p": 0.8, "top_k": 20}'
