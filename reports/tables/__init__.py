"""What the numbers come to, as tables and sentences that page, Markdown, files and terminal share."""
