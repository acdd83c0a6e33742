from django.urls import path

from accounts.pages import oidc_views, views

urlpatterns = [
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-in/oidc/", oidc_views.OidcStartView.as_view(), name="oidc"),
    path("sign-in/oidc/callback/", oidc_views.OidcCallbackView.as_view(), name="oidc-callback"),
    path("sign-up/", views.SignUpView.as_view(), name="sign-up"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("language/", views.LanguageView.as_view(), name="language"),
]
