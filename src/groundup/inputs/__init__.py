"""What readers bring along: a folder of pictures, a text, a table."""
