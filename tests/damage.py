"""Files as bad disks, broken connections and careful enemies leave them."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, content):
    """Content cut off somewhere, with some bytes changed, and some removed or put in."""
    place = st.integers(0, len(content) - 1)
    near = st.integers(0, min(200, len(content) - 1))  # headers are where decoders decide
    content = bytearray(content)
    for position in draw(st.lists(place | near, max_size=8)):
        content[position] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    if draw(st.booleans()):
        start, length = draw(place | near), draw(st.integers(0, 40))
        content[start : start + length] = draw(st.binary(max_size=40))
    return bytes(content[: draw(place)]) if draw(st.booleans()) else bytes(content)
