"""Requirement lines as people write them."""

import pytest

from stentor_deploy.environments.requirements import applies, read_requirements
from stentor_deploy.errors import Unsupported

WHEEL = "https://example.com/files/demo-1.0-py3-none-any.whl"


def read(*lines: str, indexes: tuple[str, ...] = (), urls: bool = False) -> list[str]:
    return list(map(str, read_requirements(lines, known_indexes=indexes, allow_urls=urls).requirements))


def refusal(line: str, *, urls: bool = False) -> str:
    with pytest.raises(Unsupported) as raised:
        read_requirements([line], allow_urls=urls)
    assert raised.value.param == "requirements"
    return raised.value.message


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("scikit-learn", "scikit-learn"),
        ("  numpy == 1.26.4  # the last one", "numpy==1.26.4"),
        (
            "uvicorn[standard]>=0.3,<1 ; python_version>='3.9'",
            'uvicorn[standard]<1,>=0.3; python_version >= "3.9"',
        ),
        ("torch==2.13.0+cpu", "torch==2.13.0+cpu"),
        ("numpy==1.26.4 --hash=sha256:aa --hash=sha256:bb", "numpy==1.26.4"),
    ],
)
def test_names_versions_extras_and_markers_are_taken(line: str, read_as: str) -> None:
    assert read(line) == [read_as]


def test_a_whole_file_may_come_as_one_text() -> None:
    assert read("# models\nnumpy\n\nscipy==1.11.1 \\\n    --hash=sha256:aa\nnumpy\n") == [
        "numpy",
        "scipy==1.11.1",
    ]


def test_ignored_hashes_are_told() -> None:
    notes = read_requirements(["numpy==1.0 --hash=sha256:aa"]).notes
    assert [note.code for note in notes] == ["hash_ignored"]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("-e .", "packages/"),
        ("--editable ./mine", "packages/"),
        ("-r more.txt", "write their lines here"),
        ("-c limits.txt", "write their lines here"),
        ("--index-url https://example.com/simple", "STENTOR_DEPLOY_EXTRA_INDEX_URLS"),
        ("--extra-index-url=https://example.com/simple", "STENTOR_DEPLOY_EXTRA_INDEX_URLS"),
        ("--find-links /wheels", "STENTOR_DEPLOY_EXTRA_INDEX_URLS"),
        ("--trusted-host example.com", "STENTOR_DEPLOY_EXTRA_INDEX_URLS"),
        ("--pre", "options are not taken"),
        ("./mine", "packages/"),
        ("../mine", "packages/"),
        ("/opt/mine", "packages/"),
        ("~/mine", "packages/"),
        ("mine/package", "packages/"),
        ("mine-1.0-py3-none-any.whl", "packages/"),
        ("mine.tar.gz", "packages/"),
        ("file:///etc/passwd", "packages/"),
        ("mine @ file:///etc/passwd", "packages/"),
        ("mine @ /etc/passwd", "packages/"),
        ("git+https://example.com/a/b.git", "released version"),
        ("mine @ git+ssh://git@example.com/a/b", "released version"),
        ("git@example.com:a/b.git", "released version"),
        (WHEEL, "STENTOR_DEPLOY_ALLOW_URL_REQUIREMENTS"),
        (f"demo @ {WHEEL}", "STENTOR_DEPLOY_ALLOW_URL_REQUIREMENTS"),
        ("http://example.com/demo-1.0-py3-none-any.whl", "https only"),
        ("numpy = 1.0", "`==`"),
        ("not a requirement", "cannot be read"),
        ("$(touch x)", "cannot be read"),
    ],
)
def test_what_says_more_than_what_to_install_is_refused_with_advice(line: str, advice: str) -> None:
    assert advice in refusal(line)


def test_wheels_are_taken_by_their_address_where_that_is_allowed() -> None:
    assert read(WHEEL, urls=True) == [f"demo @ {WHEEL}"]
    assert read(f"demo @ {WHEEL}", urls=True) == [f"demo @ {WHEEL}"]


@pytest.mark.parametrize(
    "line",
    [
        "https://example.com/demo-1.0.tar.gz",
        "http://example.com/demo-1.0-py3-none-any.whl",
        f"other @ {WHEEL}",
        "demo @ git+https://example.com/demo",
        "https://example.com/..%2F..%2Fdemo-1.0-py3-none-any.whl",
    ],
)
def test_only_wheels_of_that_name_by_https_are_taken_by_their_address(line: str) -> None:
    assert line[:40] in refusal(line, urls=True)


def test_a_marker_says_for_which_python_a_requirement_is() -> None:
    old, new, extra = read_requirements(
        ["numpy; python_version<'3.10'", "numpy>=2; python_version>='3.10'", "numpy<9; extra=='more'"]
    ).requirements
    assert [applies(one, "3.9") for one in (old, new, extra)] == [True, False, False]
    assert [applies(one, "3.11") for one in (old, new, extra)] == [False, True, False]


def test_an_index_that_is_used_anyway_may_be_named() -> None:
    asked = read_requirements(
        ["--extra-index-url https://example.com/cpu/", "torch"], known_indexes=["https://example.com/cpu"]
    )
    assert list(map(str, asked.requirements)) == ["torch"]
    assert [note.code for note in asked.notes] == ["option_ignored"]


def test_a_refusal_shows_little_of_a_long_line_and_no_password() -> None:
    message = refusal("--index-url https://user:secret@example.com/" + "x" * 500)
    assert "secret" not in message
    assert len(message) < 400


def test_there_is_a_most_of_lines_and_of_characters() -> None:
    with pytest.raises(Unsupported, match="lines"):
        read_requirements([f"package-{number}" for number in range(1001)])
    with pytest.raises(Unsupported, match="characters"):
        read_requirements(["a" * 2001])
