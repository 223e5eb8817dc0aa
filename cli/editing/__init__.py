"""Help for editing IR text: highlighting (Pygments, TextMate) and the language server. Nothing is imported here."""
