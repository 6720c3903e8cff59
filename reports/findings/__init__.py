"""What a report finds beyond the ranking, as tables and sentences that page, Markdown and files share."""
