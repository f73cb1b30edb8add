"""What the server alone knows: the site's secret, from which tokens and public ids are made, and passing salts."""
