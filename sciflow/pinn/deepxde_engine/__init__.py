"""What the engine on DeepXDE is made of; `sciflow.pinn.deepxde` is its entrance."""
