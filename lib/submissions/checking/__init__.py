"""What a competition would refuse in a file, or score lower, and what that costs."""
