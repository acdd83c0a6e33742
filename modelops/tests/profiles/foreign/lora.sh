vllm serve meta-llama/Llama-3.1-8B-Instruct --enable-lora --max-loras 2 --max-lora-rank 64 \
  --lora-modules sql=maker/llama-3.1-8b-sql-lora '{"name": "legal", "path": "maker/llama-3.1-8b-legal-lora"}' \
  own=/srv/adapters/own --fully-sharded-loras --max-cpu-loras 4 -tp 2 --max-model-len 16384
