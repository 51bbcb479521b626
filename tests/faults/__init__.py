"""Workers, an operator and whatever may befall them, while a migration goes there and back: nothing acknowledged is lost."""
