"""Policies that go beyond their demonstrator, by rounds of their own episodes."""
