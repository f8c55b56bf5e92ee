"""Mathematics and training loops shared by adaptation methods and their objectives."""
