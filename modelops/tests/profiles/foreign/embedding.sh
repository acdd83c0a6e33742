python3 -m vllm.entrypoints.openai.api_server --model Qwen/Qwen3-Embedding-0.6B --task embed \
  --served-model-name text-embedding-3-small --dtype half --gpu-memory-utilization 0.2 \
  --override-pooler-config '{"pooling_type": "LAST"}' --hf-overrides.is_matryoshka true
