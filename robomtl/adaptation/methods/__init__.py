"""Ways to adapt, one module a method, with the objective that trains for it."""
