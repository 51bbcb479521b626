"""Reports for those who do not operate: pages that are one file each, without scripts and without anything fetched."""
