"""The documented variants of the exercises, trained as they were documented, every figure beside ours."""
