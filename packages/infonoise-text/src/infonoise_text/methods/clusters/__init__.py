"""The cluster of each token as a second kind of bits, with noise levels of its own."""
