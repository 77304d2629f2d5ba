"""PMLB's facts of BUTTER-E's data sets, which its release takes for granted and does not hold."""

PMLB_CSV = """\
Dataset,n_observations,n_features,n_classes,Endpoint,Imbalance,Task,Metadata
201_pol,15000,48,,continuous,0.37,regression,
294_satellite_image,6435,36,,continuous,0.03,regression,
505_tecator,240,124,,continuous,0.0,regression,
529_pollen,3848,4,,continuous,0.0,regression,
537_houses,20640,8,,continuous,0.0,regression,
adult,48842,14,2,categorical,0.27,classification,
banana,5300,2,,continuous,0.01,regression,
connect_4,67557,42,3,categorical,0.25,classification,
mnist,70000,784,10,categorical,0.0,classification,
nursery,12958,8,4,categorical,0.09,classification,
sleep,105908,13,5,categorical,0.15,classification,
splice,3188,60,3,categorical,0.08,classification,
wine_quality_white,4898,11,7,categorical,0.21,classification,
"""
"""`pmlb.csv` as the analysis reads it: one line a data set."""
