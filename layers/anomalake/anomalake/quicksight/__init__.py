"""QuickSight as code: a CloudFormation template made from what a detector watches.

Data sets (`data_sets`) name the columns that the relations have; `definition` puts charts, filters and controls on
them; `template` adds data source, theme, permissions and refresh. Nothing here calls AWS.
"""

from anomalake.quicksight.names import QuickSightError
from anomalake.quicksight.template import quicksight_template, to_yaml

__all__ = ["QuickSightError", "quicksight_template", "to_yaml"]
