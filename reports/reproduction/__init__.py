"""The documented figures beside ours, from the tracking store: page, Markdown, pictures, terminal."""
