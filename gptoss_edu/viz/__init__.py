"""Pictures of the model: Matplotlib figures and the trace explorer."""

from gptoss_edu.viz import style
from gptoss_edu.viz.live import live
from gptoss_edu.viz.page import Page, explore

__all__ = ["Page", "explore", "live", "style"]
