"""The frame of every page that is written: HTML that needs no other file and runs nothing."""

from html import escape

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a page may load: nothing but its own style. Text of strangers cannot become a script."""


def render_page(title: str, style: str, body: str) -> str:
    """Return a page.

    Args:
        title: Its title, as text.
        style: Its style sheet.
        body: What it shows, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )
