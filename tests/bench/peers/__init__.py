"""The servers that ours is measured against, installed by the bench itself into build/peers."""
