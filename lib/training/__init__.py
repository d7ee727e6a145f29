"""The loop, the loss, what a run says and keeps, the devices, and the ranks that share a step."""
