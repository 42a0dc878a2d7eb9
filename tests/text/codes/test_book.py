"""Code books: bits against Python's own binary numbers, round trips, codes without a token."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.codes.book import CodeBook, binary_codes, bits_for


def shuffled(size: int, bits: int, seed: int = 0) -> CodeBook:
    codes = torch.randperm(1 << bits, generator=torch.Generator().manual_seed(seed))[:size]
    return CodeBook(codes, bits, unknown=0, name="shuffled")


@pytest.mark.parametrize(
    ("size", "bits"),
    [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (50257, 16), (65536, 16), (65537, 17)],
)
def test_bits_for(size, bits):
    assert bits_for(size) == binary_codes(size).bits == bits


@given(st.integers(1, 5000), st.data())
def test_binary_codes_are_binary_numbers(size, data):
    book = binary_codes(size)
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=20))
    bits = book.encode(torch.tensor(ids, dtype=torch.int32))
    assert bits.dtype == torch.uint8
    written = ["".join(str(int(b)) for b in row) for row in bits]
    assert written == [format(i, f"0{book.bits}b") for i in ids]


@given(st.integers(1, 300), st.integers(0, 3), st.integers(0, 9))
def test_round_trip(size, spare, seed):
    bits = bits_for(size) + spare
    book = shuffled(size, bits, seed)
    ids = torch.arange(size).reshape(1, -1)
    encoded = book.encode(ids)
    assert encoded.shape == (1, size, bits)
    assert len(encoded[0].unique(dim=0)) == size
    for kind in (torch.uint8, torch.bool, torch.float32):
        decoded = book.decode(encoded.to(kind))
        assert torch.equal(decoded.ids, ids)
        assert not decoded.invalid.any()


def test_codes_without_a_token_are_counted():
    book = CodeBook(torch.tensor([6, 0, 3]), bits=3, unknown=1, name="three")
    every = torch.tensor([[int(b) for b in format(c, "03b")] for c in range(8)])
    ids, invalid = book.decode(every)
    assert ids.tolist() == [1, 1, 1, 2, 1, 1, 0, 1]
    assert invalid.tolist() == [False, True, True, False, True, True, False, True]
    assert invalid.sum() == 8 - 3


def test_any_ids_layout():
    book = binary_codes(100)
    ids = torch.arange(60).reshape(3, 4, 5).transpose(0, 2)  # not contiguous
    assert torch.equal(book.decode(book.encode(ids)).ids, ids)
    assert book.encode(torch.empty(0, 7, dtype=torch.int64)).shape == (0, 7, 7)


@pytest.mark.parametrize("wrong", [-1, 100])
def test_ids_out_of_range(wrong):
    with pytest.raises((IndexError, RuntimeError)):
        binary_codes(100).encode(torch.tensor([3, wrong]))


def test_bits_of_another_width():
    with pytest.raises(ValueError, match=r"give \(\.\.\., 7\)"):
        binary_codes(100).decode(torch.zeros(2, 8))


@pytest.mark.parametrize(
    ("codes", "bits", "unknown"),
    [([0, 0], 1, 0), ([0, 2], 1, 0), ([-1, 0], 1, 0), ([0, 1, 2], 1, 0), ([0, 1], 1, 2)],
)
def test_no_code_book(codes, bits, unknown):
    with pytest.raises(ValueError, match=r"give|must"):
        CodeBook(torch.tensor(codes), bits, unknown, "wrong")


def test_saved_and_loaded(tmp_path):
    book, path = shuffled(20, 6), tmp_path / "book.safetensors"
    book.save(path, "abc")
    again = CodeBook.load(path, "abc")
    assert (again.size, again.bits, again.unknown, again.name) == (20, 6, 0, "shuffled")
    assert torch.equal(again.codes, book.codes)
    with pytest.raises(InputError, match="another tokenizer"):
        CodeBook.load(path, "abd")
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="not a code book"):
        CodeBook.load(path, "abc")
    with pytest.raises(InputError, match="not a code book"):
        CodeBook.load(tmp_path / "missing", "abc")


@pytest.mark.gpu
def test_on_a_gpu():
    book = shuffled(1000, 11)
    ids = torch.randint(1000, (8, 16), device="cuda")
    bits = book.encode(ids)
    assert bits.device == ids.device
    decoded = book.decode(bits)
    assert torch.equal(decoded.ids, ids)
    assert decoded.invalid.device == ids.device
    assert torch.equal(bits.cpu(), book.encode(ids.cpu()))
