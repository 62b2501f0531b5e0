"""What can be rotated, one module for each way in which it is done."""
