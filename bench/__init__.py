"""What calls cost: requests and time of every hot operation, the library's time over the bare SDK's, the plan's promises."""
