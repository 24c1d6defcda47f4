"""A graph in the ONNX format, uploaded as the single file that it is."""

from deploy_client import checked, http, predict, wait
from onnx import TensorProto, helper

NAME = "sum"


def main() -> None:
    """Two inputs in, their sum out."""
    shape = [None, 2]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")]
    output = helper.make_tensor_value_info("sum", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "sum", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    fields = {"framework": "onnx"}
    path = f"/v1/deployments/{NAME}/revisions"
    if not http.get(f"/v1/deployments/{NAME}").is_success:
        fields["name"], path = NAME, "/v1/deployments"
    checked(http.post(path, data=fields, files={"file": ("sum.onnx", model.SerializeToString())}))
    wait(NAME)
    print(predict(NAME, {"a": [[1, 2], [3, 4]], "b": [[10, 20], [30, 40]]}))


if __name__ == "__main__":
    main()
