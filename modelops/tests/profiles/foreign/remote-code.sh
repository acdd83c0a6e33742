HF_HUB_OFFLINE=1 vllm serve OpenGVLab/InternVL2-8B --trust-remote-code --max-model-len 8k \
  --chat-template /srv/templates/internvl.jinja --limit-mm-per-prompt image=4 --quantization auto_round \
  --kv-transfer-config '{"kv_connector": "LMCacheConnectorV1", "kv_role": "kv_both"}' \
  --enable-log-requests --middleware my.module.Log --max-num-batched-tokens 8192 --kv-cache-dtype fp8
