"""What several passes need: reading constants, handing on locations, putting regions in place, matching names."""
