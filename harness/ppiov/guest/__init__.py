# SPDX-License-Identifier: GPL-2.0-only
"""What runs inside the guest. Nothing here imports the rest of the package: the guest has only pytest and Python."""
