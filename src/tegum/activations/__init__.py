"""Any torch module in, streamed moments out."""
