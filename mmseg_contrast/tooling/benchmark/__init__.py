"""Many runs on several data sets, planned, trained, measured and put into tables."""
