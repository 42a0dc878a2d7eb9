"""Tables with a column of images, as Hugging Face stores them."""
