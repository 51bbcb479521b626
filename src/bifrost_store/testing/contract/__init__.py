"""What "identical" means, one module for each topic. Import the tests into a test file with ``import *``."""
