"""Letters and codes of bases, and their other strand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from infonoise_bio.alphabet import (
    codes_of,
    complement_codes,
    letters_of,
    reverse_complement,
    reverse_complement_codes,
)


@given(st.text("ACGTRYSWKMBDHVNacgtn", min_size=1))
def test_letters_and_codes_know_the_same_other_strand(text):
    letters = text.encode()
    codes = codes_of(letters)
    assert complement_codes(codes) == codes_of(reverse_complement(letters))
    array = np.frombuffer(codes, np.uint8)[None]
    assert reverse_complement_codes(array).tobytes() == complement_codes(codes)
    upper = text.upper()
    assert letters_of(array) == ["".join(c if c in "ACGT" else "N" for c in upper)]
