# -*- coding: utf-8 -*-
TEXT = "with a mark, ä"
