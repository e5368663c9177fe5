"""What my_pictures, my_table and my_text import: a reader's folder of pictures, text and table, checked before use."""
