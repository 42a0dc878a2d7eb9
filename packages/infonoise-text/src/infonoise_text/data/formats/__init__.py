"""One file format of text a module; `data.files` has the list of them."""
