"""What "identical" means, one module for each topic. A test file that imports this package runs them all."""
