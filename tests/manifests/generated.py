"""Streams made at random, of the forms that people and tools write."""

from __future__ import annotations

from hypothesis import strategies as st

APP = "registry.example.com/team/app"
IMAGES = st.sampled_from(
    [APP, f"{APP}:1", f"{APP}:v1.2.3-rc.1", f"{APP}@sha256:{'0a' * 32}", "nginx:1", f"{APP}le:1",
     "190:20", f"{APP}:$TAG"]
)  # fmt: skip
_COMMENTS = st.sampled_from(["", "", "  # app", "\t# é"])
_NAMES = st.sampled_from(["a", "'b'", '"ü\\u00fc"', "🙂", "yes", f"'{APP}'"])
_LISTS = st.sampled_from(["containers", "initContainers", '"ephemeralContainers"', "sidecars"])


@st.composite
def scalars(draw: st.DrawFn) -> str:
    """An image in one of the styles that take one line."""
    image = draw(IMAGES)
    style = draw(st.sampled_from(["{}", "{}", "'{}'", '"{}"', "!!str {}", "!!str '{}'"]))
    if style == '"{}"' and draw(st.booleans()):
        image = image.replace("/", "\\x2f").replace("a", "\\u0061")
    return style.format(image)


@st.composite
def containers(draw: st.DrawFn) -> str:
    """An item of a list of containers, in block or flow style."""
    image, name, comment = draw(scalars()), draw(_NAMES), draw(_COMMENTS)
    if draw(st.booleans()):
        return f"    - {{name: {name}, image: {image} }}{comment}\n"
    fields = draw(
        st.permutations(
            [f"name: {name}", f"image: {image}{comment}", f"env: [{{image: {image} }}]"]
        )
    )
    return "    - " + "\n      ".join(fields) + "\n"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document with lists of containers and bait."""
    bait = f"data:\n  image: {draw(scalars())}\n  a: |\n    containers:\n    - image: {APP}:1\n"
    lists = "".join(
        f"  {name}:{draw(_COMMENTS)}\n" + "".join(draw(st.lists(containers(), max_size=3)))
        for name in draw(st.lists(_LISTS, unique=True, max_size=3))
    )
    volumes = f"  volumes:\n  - image: {{reference: {draw(scalars())} }}\n"
    return f"kind: {draw(_NAMES)}\nspec:\n{lists}{draw(st.sampled_from(['', volumes]))}{bait}"


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Documents with separators, with one kind of line breaks, maybe with a byte order mark."""
    separator = draw(st.sampled_from(["---\n", "--- # app\n", "---\n# Source: a/b.yaml\n"]))
    text = separator.join(draw(st.lists(documents(), max_size=3)))
    text = draw(st.sampled_from(["", "---\n", "\ufeff"])) + text
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"]))).encode()
