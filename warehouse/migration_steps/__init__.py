"""What changes between two versions of the tables, by topic; SQL written out, as the record classes go on changing."""
