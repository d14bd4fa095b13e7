"""Networks: built, framed, tiled, drawn and counted."""
