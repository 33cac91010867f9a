"""QuickSight as code: a CloudFormation template for the metric set of a detector.

`data_sets` derives the data sets from the relations; `definition` adds charts, filters and controls; `template` adds
data source, theme, permissions and refresh. No module here calls AWS.
"""

from anomalake.quicksight.names import QuickSightError
from anomalake.quicksight.template import quicksight_template, to_yaml

__all__ = ["QuickSightError", "quicksight_template", "to_yaml"]
