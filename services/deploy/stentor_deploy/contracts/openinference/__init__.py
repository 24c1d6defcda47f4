"""The Open Inference Protocol, version 2, with binary tensors; and version 1's `:predict`.

`tensors` and `binary` are about the data, `signature` about what a model takes and gives, `exchange` about
requests and answers, `api` and `predict_v1` are the routes.
"""
