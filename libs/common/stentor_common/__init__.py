"""What two or more of Stentor's services use; knows none of them."""
