"""Pure rules of switches: states, the next step, plans, recipes, maintenance between switches."""
