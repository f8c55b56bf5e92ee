"""Mathematics and loops that methods of adaptation and their objectives share."""
