"""Related links: what to read next, chosen by editors, told by the series, or found in the texts beforehand."""
