"""Names of deployments."""

import pytest

from stentor_common.errors import BadInput
from stentor_deploy.names import checked, of_file, slug


@pytest.mark.parametrize("name", ["a", "iris", "iris-2", "0", "a" * 63])
def test_lower_case_letters_digits_and_dashes_make_a_name(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Iris", "-iris", "iris-", "iris_2", "iris/2", "a" * 64, "ïris", "iris\n"),
        *("whisper", "6f1c3a3e-1d1c-4c6e-9d3f-0d7f5e1f2a3b", "6f1c3a3e1d1c4c6e9d3f0d7f5e1f2a3b"),
    ],
)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        checked(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Iris Model!", "my-iris-model"),
        ("fill_mask", "fill-mask"),
        ("---", "model"),
        ("Ärger", "rger"),
        ("Whisper", "whisper-model"),
        ("x" * 80, "x" * 63),
        ("6f1c3a3e1d1c4c6e9d3f0d7f5e1f2a3b", "6f1c3a3e1d1c4c6e9d3f0d7f5e1f2a3b-model"),
    ],
)
def test_every_text_has_a_name_next_to_it(text: str, name: str) -> None:
    assert slug(text) == name
    assert checked(slug(text)) == name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("iris.tar.gz", "iris"),
        ("iris.TGZ", "iris"),
        ("C:\\models\\iris.joblib", "iris"),
        ("https://github.com/ada/Iris-Model.git", "iris-model"),
        ("https://github.com/ada/iris/", "iris"),
        ("iris.v2.onnx", "iris-v2"),
        ("", "model"),
    ],
)
def test_a_model_is_called_after_its_file(file: str, name: str) -> None:
    assert of_file(file) == name
