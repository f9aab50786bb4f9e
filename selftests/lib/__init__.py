# SPDX-License-Identifier: GPL-2.0-only
"""What the guest tests share. Nothing here touches the system when it is imported."""
