#!/bin/bash
# SPDX-License-Identifier: MIT
# jem-train, killed while it saves: every instant, because the training is small.
exec bash "$(dirname "$0")/../faults/train_kill.sh" all
