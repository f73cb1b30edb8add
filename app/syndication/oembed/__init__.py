"""oEmbed: what another site shows in place of a link to an article (oembed.com)."""
